//! End to end, through HTTP, as owner, officer, coordinator, operator and buyer; each test on both databases.

#![allow(clippy::unwrap_used, clippy::too_many_lines)]

#[path = "suite/world.rs"]
#[macro_use]
mod world;
#[path = "suite/applications.rs"]
mod applications;
#[path = "suite/attributes.rs"]
mod attributes;
#[path = "suite/backup.rs"]
mod backup;
#[path = "suite/buyers.rs"]
mod buyers;
#[path = "suite/calls.rs"]
mod calls;
#[path = "suite/catalogue.rs"]
mod catalogue;
#[path = "suite/clients.rs"]
mod clients;
#[path = "suite/contract.rs"]
mod contract;
#[path = "suite/crashes.rs"]
mod crashes;
#[path = "suite/exhibitions.rs"]
mod exhibitions;
#[path = "suite/feeds.rs"]
mod feeds;
#[path = "suite/headers.rs"]
mod headers;
#[path = "suite/hostile.rs"]
mod hostile;
#[path = "suite/identity.rs"]
mod identity;
#[path = "suite/invariants.rs"]
mod invariants;
#[path = "suite/isolation.rs"]
mod isolation;
#[path = "suite/names.rs"]
mod names;
#[path = "suite/offices.rs"]
mod offices;
#[path = "suite/onsite.rs"]
mod onsite;
#[path = "suite/operations.rs"]
mod operations;
#[path = "suite/permissions.rs"]
mod permissions;
#[path = "suite/photos.rs"]
mod photos;
#[path = "suite/plans.rs"]
mod plans;
#[path = "suite/quotas.rs"]
mod quotas;
#[path = "suite/replicas.rs"]
mod replicas;
#[path = "suite/search.rs"]
mod search;
#[path = "suite/secrets.rs"]
mod secrets;
#[path = "suite/selection.rs"]
mod selection;
#[path = "suite/sessions.rs"]
mod sessions;
#[path = "suite/smes.rs"]
mod smes;
#[path = "suite/storefront.rs"]
mod storefront;
#[path = "suite/story.rs"]
mod story;
#[path = "suite/trouble.rs"]
mod trouble;
#[path = "suite/upgrade.rs"]
mod upgrade;
#[path = "suite/uploads.rs"]
mod uploads;
#[path = "suite/webhooks.rs"]
mod webhooks;
#[path = "suite/whole_exhibition.rs"]
mod whole_exhibition;
