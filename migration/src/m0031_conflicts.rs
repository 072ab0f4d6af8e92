//! Nobody decides on an SME that they belong to, whoever asks: where a row says who decided, the database refuses it.

use crate::Step;

pub const STEP: Step = Step { name: "m0031_conflicts", tables: "", sqlite: SQLITE, postgres: POSTGRES };

const SQLITE: &str = "
create trigger documents_conflict before update of decided_by on legal_documents
    when exists (select 1 from sme_memberships m where m.sme_id = new.sme_id and m.user_id = new.decided_by)
    begin select raise(abort, 'decides_on_own_sme'); end;
create trigger documents_conflict_insert before insert on legal_documents
    when exists (select 1 from sme_memberships m where m.sme_id = new.sme_id and m.user_id = new.decided_by)
    begin select raise(abort, 'decides_on_own_sme'); end;
create trigger graces_conflict before insert on call_graces
    when exists (select 1 from sme_memberships m where m.sme_id = new.sme_id and m.user_id = new.granted_by)
    begin select raise(abort, 'decides_on_own_sme'); end;
create trigger graces_conflict_update before update on call_graces
    when exists (select 1 from sme_memberships m where m.sme_id = new.sme_id and m.user_id = new.granted_by)
    begin select raise(abort, 'decides_on_own_sme'); end;
";

const POSTGRES: &str = "
create function documents_conflict() returns trigger language plpgsql as $$
begin
    if exists (select 1 from sme_memberships m where m.sme_id = new.sme_id and m.user_id = new.decided_by) then
        raise exception 'decides_on_own_sme' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger documents_conflict before insert or update of decided_by on legal_documents for each row execute function documents_conflict();
create function graces_conflict() returns trigger language plpgsql as $$
begin
    if exists (select 1 from sme_memberships m where m.sme_id = new.sme_id and m.user_id = new.granted_by) then
        raise exception 'decides_on_own_sme' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger graces_conflict before insert or update on call_graces for each row execute function graces_conflict();
";
