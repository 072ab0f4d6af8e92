//! Typed attributes of categories, such as the taste of chips or the sizes of a shirt: defined in versions, stated by
//! products, checked when a product is edited and asked for when it is submitted, filtered by in the storefront. A
//! category without definitions of its own has those of the nearest one above it.

pub mod api;
pub mod model;
pub mod service;
pub mod store;
