//! Uploads that go straight to the bucket (row E1).

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, TABLES).await
    }
}

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
