//! The calls for products, and what the functions remember of the catalogue.

pub mod catalogue;
pub mod list_products;
pub mod restock_product;
