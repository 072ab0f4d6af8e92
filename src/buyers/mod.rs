//! What buyers keep: favourites.

pub mod favourites;
