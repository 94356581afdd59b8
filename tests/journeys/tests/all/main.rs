//! All journeys, in one binary: the programs are loaded once.

mod clients;
mod pods;
mod host_backends;
mod masquerade;
mod answers;
mod policies;
mod wire;
mod lives;
mod passing;
mod selection;
mod properties;
mod both_alike;
