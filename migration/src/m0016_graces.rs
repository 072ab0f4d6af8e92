//! SMEs that may apply after the deadline, because they were invited late (row F6).

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
create table call_graces (
    exhibition_id $uuid not null references exhibition_calls (exhibition_id),
    sme_id $uuid not null references smes (id),
    until $time not null,
    granted_by $uuid not null references users (id),
    primary key (exhibition_id, sme_id)
) $strict;
";
