//! What several replicas need: a job remembers the request that asked for it, and PostgreSQL tells the others at once
//! that the catalogue changed or that a job is due.

use crate::Step;

pub const STEP: Step = Step { name: "m0018_replicas", tables: "alter table jobs add column request_id text", sqlite: "", postgres: POSTGRES };

// By trigger, so that a statement typed by hand is told too, and a replica of an older version.
const POSTGRES: &str = "
create function tell() returns trigger language plpgsql as $$
begin perform pg_notify('etalase', tg_argv[0]); return null; end $$;
create trigger catalogue_version_tell after update on catalogue_version for each row execute function tell('catalogue');
create trigger jobs_tell after insert or update of run_at on jobs for each row
    when (new.dead = 0 and new.run_at <= clock_timestamp() + interval '1 second') execute function tell('jobs');
";
