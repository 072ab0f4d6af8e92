//! What an SME has is counted before it gets more.

use crate::Step;

pub const STEP: Step = Step { name: "m0028_quotas", tables: TABLES, sqlite: "", postgres: "" };

const TABLES: &str = "
create index media_uploads_pending on media_uploads (sme_id, bytes) where media_id is null;
create index media_assets_kept on media_assets (owner_sme_id, bytes) where status <> 'deleting' and original_kept = 1;
";
