//! All journeys, in one binary: the programs are loaded once.

mod clients;
