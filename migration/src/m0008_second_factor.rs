//! Second factors of staff, and where an SME is found on the map and in social networks.

use crate::Step;

pub const STEP: Step = Step { name: "m0008_second_factor", tables: TABLES, sqlite: "", postgres: "" };

// One place in degrees times a million, both parts or neither.
const TABLES: &str = "
create table user_totp (
    user_id $uuid primary key references users (id),
    secret text not null,
    confirmed_at $time,
    last_step $int not null default 0,
    created_at $time not null
) $strict;

create table recovery_codes (
    user_id $uuid not null references user_totp (user_id),
    code_hash text not null check (length(code_hash) = 64),
    primary key (user_id, code_hash)
) $strict;

alter table smes add column latitude_e6 $int check (latitude_e6 between -90000000 and 90000000);
alter table smes add column longitude_e6 $int check (longitude_e6 between -180000000 and 180000000)
    check ((longitude_e6 is null) = (latitude_e6 is null));
alter table smes add column socials $json not null default '{}';
";
