//! What buyers keep: favourites (row G2).

pub mod favourites;
