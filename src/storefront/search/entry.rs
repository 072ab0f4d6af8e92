//! What the index is told of a product.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{
    catalogue::{attributes::model::Stated, model::Origin},
    values::Localized,
};

/// What can be searched and filtered of a product, kept in its row as JSON so that a start needs to read nothing else.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Entry {
    /// Its title.
    pub name: Vec<Localized>,
    /// Words that it goes by: category, brand, materials.
    pub tags: Vec<Localized>,
    /// What is said of it.
    pub text: Vec<Localized>,
    /// Brand of its SME.
    pub brand: String,
    pub origins: Vec<Origin>,
    /// Waste streams that its materials were taken from.
    pub wastes: Vec<Localized>,
    /// Can be ordered now.
    pub in_stock: bool,
    pub halal: Option<Halal>,
    #[serde(default)]
    pub attributes: Vec<Stated>,
}

/// A verified halal certificate that covers the product.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Halal {
    /// The last day it is valid, in Jakarta; without an end if absent.
    pub until: Option<NaiveDate>,
}

impl Entry {
    /// From the text kept in the row. Rows of a version that kept bare words are found by those.
    pub fn from_row(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|_| Self { tags: vec![Localized { id: text.to_owned(), en: None }], ..Self::default() })
    }
}
