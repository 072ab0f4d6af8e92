//! Uploads that go straight to the bucket.

use crate::Step;

pub const STEP: Step = Step { name: "m0010_uploads", tables: TABLES, sqlite: "", postgres: "" };

const TABLES: &str = "
create table media_uploads (
    id $uuid primary key,
    sme_id $uuid not null references smes (id),
    mime text not null,
    bytes $int not null check (bytes > 0),
    sha256 text not null check (length(sha256) = 64),
    media_id $uuid,
    expires_at $time not null,
    created_at $time not null
) $strict;
";
