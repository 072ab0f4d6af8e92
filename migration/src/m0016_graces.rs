//! SMEs that may apply after the deadline, because they were invited late.

use crate::Step;

pub const STEP: Step = Step { name: "m0016_graces", tables: TABLES, sqlite: "", postgres: "" };

const TABLES: &str = "
create table call_graces (
    exhibition_id $uuid not null references exhibition_calls (exhibition_id),
    sme_id $uuid not null references smes (id),
    until $time not null,
    granted_by $uuid not null references users (id),
    primary key (exhibition_id, sme_id)
) $strict;
";
