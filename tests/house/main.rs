//! The rules of the house that a compiler does not know: who may import from whom, who may print,
//! how long a file may be.
//!
//! Every rule has a finder, a test that the project has nothing for it to find, and a test that it
//! finds what is planted.

mod circles;
mod documents;
mod exceptions;
mod habits;
mod names;
mod rooms;
mod scripts;
mod size;
mod toys;
mod tree;
