//! An SME keeps the addresses that lead to it from before: nobody else takes such a handle.

use crate::Step;

pub const STEP: Step = Step { name: "m0026_old_handles", tables: "", sqlite: SQLITE, postgres: POSTGRES };

const SQLITE: &str = "
create trigger sme_handle_remembered_insert after insert on smes
    when exists (select 1 from sme_handle_history h where h.handle = new.handle and h.sme_id <> new.id)
    begin select raise(abort, 'sme_handle_remembered'); end;
create trigger sme_handle_remembered_update after update of handle on smes
    when new.handle <> old.handle and exists (select 1 from sme_handle_history h where h.handle = new.handle and h.sme_id <> new.id)
    begin select raise(abort, 'sme_handle_remembered'); end;
";

// After the statement: it has then waited for who gives the same handle up at this moment, and sees what that left behind.
const POSTGRES: &str = "
create function sme_handle_remembered() returns trigger language plpgsql as $$
begin
    if exists (select 1 from sme_handle_history h where h.handle = new.handle and h.sme_id <> new.id) then
        raise exception 'sme_handle_remembered' using errcode = 'check_violation';
    end if;
    return null;
end $$;
create trigger sme_handle_remembered_insert after insert on smes for each row execute function sme_handle_remembered();
create trigger sme_handle_remembered_update after update of handle on smes
    for each row when (new.handle <> old.handle) execute function sme_handle_remembered();
";
