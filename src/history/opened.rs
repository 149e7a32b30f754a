//! The stores that there are, by the place of a history.

use super::error::Result;
use super::place::Place;
use super::postgres::Server;
use super::sqlite::File;
use super::store::Store;

/// Opens what a place holds.
pub(super) fn open(place: &Place) -> Result<Box<dyn Store>> {
    Ok(match place {
        Place::File(path) => Box::new(File::open(path)?),
        Place::Server(server) => Box::new(Server::open(server)?),
    })
}
