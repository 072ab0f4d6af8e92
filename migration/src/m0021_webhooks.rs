//! Webhooks. Triggers write what happened into an outbox, in the transaction in which it happened; from there it
//! becomes an event with its number among those of its subject, and a delivery for each endpoint that wants it.

use crate::Step;

pub const STEP: Step = Step { name: "m0021_webhooks", tables: TABLES, sqlite: SQLITE, postgres: POSTGRES };

// Rows of the outbox are gone once they are events. A subject's last number outlives its events. Secrets are needed to
// sign, so they are not kept as a hash; the program encrypts them, like those of second factors
// (src/platform/vault.rs).
const TABLES: &str = "
create table outbox (
    id $uuid primary key,
    number $int not null,
    kind text not null,
    subject_id $uuid not null,
    parent_id $uuid,
    sme_id $uuid,
    agency_id $uuid,
    status text,
    slug text
) $strict;
create index outbox_number on outbox (number);

create table event_sequences (
    subject_id $uuid primary key,
    sequence $int not null
) $strict;

create table webhook_events (
    id $uuid primary key,
    kind text not null,
    subject_id $uuid not null,
    sequence $int not null,
    payload text not null,
    created_at $time not null,
    unique (subject_id, sequence)
) $strict;

create index webhook_events_age on webhook_events (created_at);

create table webhook_endpoints (
    id $uuid primary key,
    sme_id $uuid references smes (id),
    agency_id $uuid references agencies (id),
    url text not null,
    events $json not null,
    secret text not null,
    old_secret text,
    old_secret_until $time,
    enabled $int not null default 1 check (enabled in (0, 1)),
    disabled_reason text,
    last_success_at $time,
    created_by $uuid not null references users (id),
    created_at $time not null,
    deleted_at $time,
    version $int not null default 1,
    check ((sme_id is null) <> (agency_id is null)),
    check ((enabled = 1) = (disabled_reason is null))
) $strict;
create index webhook_endpoints_sme on webhook_endpoints (sme_id, id) where sme_id is not null;
create index webhook_endpoints_agency on webhook_endpoints (agency_id, id) where agency_id is not null;

create table webhook_deliveries (
    id $uuid primary key,
    endpoint_id $uuid not null references webhook_endpoints (id),
    event_id $uuid not null references webhook_events (id),
    subject_id $uuid not null,
    sequence $int not null,
    status text not null check (status in ('waiting', 'delivered', 'dead')),
    attempts $int not null default 0,
    next_at $time,
    created_at $time not null,
    ended_at $time,
    unique (endpoint_id, event_id),
    check ((status = 'waiting') = (ended_at is null))
) $strict;
create index webhook_deliveries_line on webhook_deliveries (endpoint_id, subject_id, sequence) where status = 'waiting';
create index webhook_deliveries_of on webhook_deliveries (endpoint_id, id);
create index webhook_deliveries_event on webhook_deliveries (event_id);
create index webhook_deliveries_ended on webhook_deliveries (ended_at) where ended_at is not null;

create table webhook_attempts (
    delivery_id $uuid not null references webhook_deliveries (id),
    number $int not null,
    at $time not null,
    status_code $int,
    took_ms $int not null,
    error text,
    answer text,
    primary key (delivery_id, number)
) $strict;
";

// A product that is rendered again and looks the same has not changed.
const SQLITE: &str = "
create trigger outbox_product_listed after insert on storefront_products begin
    insert into outbox (id, number, kind, subject_id, sme_id) select randomblob(16), coalesce(max(number), 0) + 1, 'product.listed',
        new.product_id, new.sme_id from outbox;
end;
create trigger outbox_product_changed after update on storefront_products
    when old.detail_id is not new.detail_id or old.detail_en is not new.detail_en or old.handle is not new.handle begin
    insert into outbox (id, number, kind, subject_id, sme_id) select randomblob(16), coalesce(max(number), 0) + 1, 'product.changed',
        new.product_id, new.sme_id from outbox;
end;
create trigger outbox_product_removed after delete on storefront_products begin
    insert into outbox (id, number, kind, subject_id, sme_id) select randomblob(16), coalesce(max(number), 0) + 1, 'product.removed',
        old.product_id, old.sme_id from outbox;
end;
create trigger outbox_exhibition after update on exhibitions when new.status <> 'draft' and old.version <> new.version begin
    insert into outbox (id, number, kind, subject_id, agency_id, status, slug) select randomblob(16), coalesce(max(number), 0) + 1,
        'exhibition.changed', new.id, new.agency_id, new.status, new.slug from outbox;
end;
create trigger outbox_application_begun after insert on applications begin
    insert into outbox (id, number, kind, subject_id, parent_id, sme_id, agency_id, status)
        select randomblob(16), coalesce((select max(number) from outbox), 0) + 1, 'application.changed', new.id, e.id, new.sme_id,
        e.agency_id, new.status from exhibitions e where e.id = new.exhibition_id;
end;
create trigger outbox_application after update on applications when old.status <> new.status begin
    insert into outbox (id, number, kind, subject_id, parent_id, sme_id, agency_id, status)
        select randomblob(16), coalesce((select max(number) from outbox), 0) + 1, 'application.changed', new.id, e.id, new.sme_id,
        e.agency_id, new.status from exhibitions e where e.id = new.exhibition_id;
end;
create trigger outbox_sme after update on smes when old.status <> new.status begin
    insert into outbox (id, number, kind, subject_id, sme_id, status) select randomblob(16), coalesce(max(number), 0) + 1, 'sme.changed',
        new.id, new.id, new.status from outbox;
end;
";

// The number is the time: writers of one subject wait for each other, so that theirs are in order.
const POSTGRES: &str = "
create function outbox_number() returns bigint language sql volatile as $$
    select (extract(epoch from clock_timestamp()) * 1000000)::bigint
$$;
create function outbox_product() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into outbox (id, number, kind, subject_id, sme_id)
            values (gen_random_uuid(), outbox_number(), 'product.listed', new.product_id, new.sme_id);
    elsif tg_op = 'DELETE' then
        insert into outbox (id, number, kind, subject_id, sme_id)
            values (gen_random_uuid(), outbox_number(), 'product.removed', old.product_id, old.sme_id);
    elsif (old.detail_id, old.detail_en, old.handle) is distinct from (new.detail_id, new.detail_en, new.handle) then
        insert into outbox (id, number, kind, subject_id, sme_id)
            values (gen_random_uuid(), outbox_number(), 'product.changed', new.product_id, new.sme_id);
    end if;
    return null;
end $$;
create trigger outbox_product after insert or update or delete on storefront_products for each row execute function outbox_product();
create function outbox_exhibition() returns trigger language plpgsql as $$
begin
    insert into outbox (id, number, kind, subject_id, agency_id, status, slug)
        values (gen_random_uuid(), outbox_number(), 'exhibition.changed', new.id, new.agency_id, new.status, new.slug);
    return null;
end $$;
create trigger outbox_exhibition after update on exhibitions for each row
    when (new.status <> 'draft' and old.version <> new.version) execute function outbox_exhibition();
create function outbox_application() returns trigger language plpgsql as $$
begin
    insert into outbox (id, number, kind, subject_id, parent_id, sme_id, agency_id, status)
        select gen_random_uuid(), outbox_number(), 'application.changed', new.id, e.id, new.sme_id, e.agency_id, new.status
        from exhibitions e where e.id = new.exhibition_id;
    return null;
end $$;
create trigger outbox_application_begun after insert on applications for each row execute function outbox_application();
create trigger outbox_application after update on applications for each row
    when (old.status <> new.status) execute function outbox_application();
create function outbox_sme() returns trigger language plpgsql as $$
begin
    insert into outbox (id, number, kind, subject_id, sme_id, status)
        values (gen_random_uuid(), outbox_number(), 'sme.changed', new.id, new.id, new.status);
    return null;
end $$;
create trigger outbox_sme after update on smes for each row when (old.status <> new.status) execute function outbox_sme();
";
