//! Legal documents of SMEs and notices to their members.

use crate::Step;

pub const STEP: Step = Step { name: "m0011_documents", tables: TABLES, sqlite: "", postgres: "" };

// One notice per subject, kind and moment: a step that is repeated after a crash can't tell people twice.
const TABLES: &str = "
create table legal_documents (
    id $uuid primary key,
    sme_id $uuid not null references smes (id),
    product_id $uuid,
    kind text not null check (kind in ('nib', 'npwp', 'pirt', 'bpom_md', 'halal', 'sni', 'trademark', 'tkdn', 'other')),
    number text not null check (length(number) between 1 and 100),
    issuer text,
    issued_on $day,
    expires_on $day,
    status text not null check (status in ('uploaded', 'verified', 'rejected', 'revoked')),
    note text,
    decided_by $uuid references users (id),
    decided_at $time,
    version $int not null default 1,
    created_at $time not null,
    foreign key (sme_id, product_id) references products (sme_id, id),
    check (expires_on >= issued_on),
    check (status not in ('rejected', 'revoked') or note is not null),
    check ((status = 'uploaded') = (decided_by is null))
) $strict;
create unique index legal_documents_once on legal_documents (kind, number) where status = 'verified';
create index legal_documents_sme on legal_documents (sme_id, kind);

create table notices (
    sme_id $uuid not null references smes (id),
    subject_id $uuid not null,
    kind text not null,
    at $time not null,
    data $json not null,
    primary key (sme_id, subject_id, kind, at)
) $strict;
create index notices_sme on notices (sme_id, at);
";
