//! Who holds a secret, and not only who made what it opens: who received each API key, who set a webhook's address, who
//! received its secret, and who prepared each decision. What a person holds ends when they leave.

use crate::Step;

pub const STEP: Step = Step { name: "m0035_makers", tables: TABLES, sqlite: "", postgres: "" };

// Null in rows that a replica of the version before writes while an upgrade rolls on; then the maker of the whole counts.
const TABLES: &str = "
alter table api_keys add column received_by $uuid references users (id);
update api_keys set received_by = (select c.created_by from api_clients c where c.id = api_keys.client_id);
alter table webhook_endpoints add column url_by $uuid references users (id);
alter table webhook_endpoints add column secret_by $uuid references users (id);
update webhook_endpoints set url_by = created_by, secret_by = created_by;
alter table applications add column pending_by $uuid references users (id);
update applications set pending_by = (select c.decided_by from exhibition_calls c where c.exhibition_id = applications.exhibition_id)
    where pending_decision is not null;
";
