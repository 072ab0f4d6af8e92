//! What is measured of a photo, by what a copy of it is recognised, and whether its original is kept.

use crate::Step;

pub const STEP: Step = Step { name: "m0009_photo_judgement", tables: TABLES, sqlite: "", postgres: "" };

// Two fingerprints that differ in at most three of 64 bits share at least one of four bands of 16 bits, so one
// indexed look-up finds all that are so near.
const TABLES: &str = "
alter table media_assets add column quality $json;
alter table media_assets add column original_kept $int not null default 1 check (original_kept in (0, 1));

create table media_fingerprints (
    asset_id $uuid not null references media_assets (id),
    band $int not null check (band between 0 and 3),
    bits $int not null check (bits between 0 and 65535),
    fingerprint $int not null,
    primary key (asset_id, band)
) $strict;
create index media_fingerprints_band on media_fingerprints (band, bits, asset_id);
";
