//! What rows of applications, line-ups and booths may not become by hand, and notices that keep what was said.

use crate::Step;

pub const STEP: Step = Step { name: "m0017_loose_ends", tables: TABLES, sqlite: SQLITE, postgres: POSTGRES };

const TABLES: &str = "
alter table notices add column reason text;
alter table notices add column reason_en text;
alter table notices add column confirm_by $time;
update notices set reason = (select a.decision_reason from applications a where a.id = notices.subject_id),
    confirm_by = (select a.confirm_by from applications a where a.id = notices.subject_id);
";

const SQLITE: &str = "
create trigger applications_stay before update on applications
    when new.exhibition_id <> old.exhibition_id or new.sme_id <> old.sme_id or new.lead_id is not old.lead_id
    begin select raise(abort, 'applications_stay'); end;
create trigger application_gives_place_back after delete on applications
    when old.lead_id is null and old.status in ('accepted', 'confirmed', 'attended', 'no_show')
    begin update exhibition_calls set taken = taken - 1 where exhibition_id = old.exhibition_id; end;
create trigger lineup_items_stay before update on lineup_items
    when new.variant_id <> old.variant_id or new.product_id <> old.product_id or new.application_id <> old.application_id
    begin select raise(abort, 'lineup_items_stay'); end;
create trigger booth_for_accepted_update before update of status on booth_assignments
    when new.status in ('held', 'confirmed', 'checked_in') and old.status not in ('held', 'confirmed', 'checked_in')
        and not exists (select 1 from applications where id = new.application_id and status in ('accepted', 'confirmed', 'attended') and lead_id is null)
    begin select raise(abort, 'booth_for_accepted'); end;
";

const POSTGRES: &str = "
create function applications_stay() returns trigger language plpgsql as $$
begin
    if new.exhibition_id <> old.exhibition_id or new.sme_id <> old.sme_id or new.lead_id is distinct from old.lead_id then
        raise exception 'applications_stay' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger applications_stay before update on applications for each row execute function applications_stay();
create function application_gives_place_back() returns trigger language plpgsql as $$
begin
    if old.lead_id is null and old.status in ('accepted', 'confirmed', 'attended', 'no_show') then
        update exhibition_calls set taken = taken - 1 where exhibition_id = old.exhibition_id;
    end if;
    return old;
end $$;
create trigger application_gives_place_back after delete on applications for each row execute function application_gives_place_back();
create function lineup_items_stay() returns trigger language plpgsql as $$
begin
    if new.variant_id <> old.variant_id or new.product_id <> old.product_id or new.application_id <> old.application_id then
        raise exception 'lineup_items_stay' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger lineup_items_stay before update on lineup_items for each row execute function lineup_items_stay();
create function booth_for_accepted_update() returns trigger language plpgsql as $$
begin
    if new.status in ('held', 'confirmed', 'checked_in') and old.status not in ('held', 'confirmed', 'checked_in') then
        perform 1 from applications where id = new.application_id and status in ('accepted', 'confirmed', 'attended') and lead_id is null;
        if not found then
            raise exception 'booth_for_accepted' using errcode = 'check_violation';
        end if;
    end if;
    return new;
end $$;
create trigger booth_for_accepted_update before update of status on booth_assignments
    for each row execute function booth_for_accepted_update();
";
