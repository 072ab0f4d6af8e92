//! How strongly a session began, who may take over from whom, and what a repeated request is authorised by.

use crate::Step;

pub const STEP: Step = Step { name: "m0030_sessions", tables: TABLES, sqlite: SQLITE, postgres: POSTGRES };

const TABLES: &str = "
alter table sessions add column proved_second_factor $int not null default 0 check (proved_second_factor in (0, 1));
alter table sessions add column proved_at $time;
alter table idempotency_keys add column roles text not null default '';
create index sign_in_failures_at on sign_in_failures (at);
create index invitations_by on invitations (invited_by);
create index api_clients_by on api_clients (created_by);
create index webhook_endpoints_by on webhook_endpoints (created_by);
";

const SQLITE: &str = "
create trigger agency_keeps_a_head before delete on agency_members
    when old.role = 'head' and not exists
        (select 1 from agency_members where agency_id = old.agency_id and role = 'head' and user_id <> old.user_id)
    begin select raise(abort, 'agency_keeps_a_head'); end;
";

// The row lock on the agency serialises two heads who leave at the same moment.
const POSTGRES: &str = "
create function agency_keeps_a_head() returns trigger language plpgsql as $$
begin
    perform 1 from agencies where id = old.agency_id for update;
    if old.role = 'head' and not exists (select 1 from agency_members where agency_id = old.agency_id and role = 'head') then
        raise exception 'agency_keeps_a_head' using errcode = 'check_violation';
    end if;
    return null;
end $$;
create trigger agency_keeps_a_head after delete on agency_members for each row execute function agency_keeps_a_head();
";
