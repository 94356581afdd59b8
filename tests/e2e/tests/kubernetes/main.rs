//! The agent with an API server of its own: what it serves is what the server says, whatever happens
//! to the server and to the way there.

mod access;
mod away;
mod churn;
mod cluster;
mod dialler;
mod expected;
mod maps;
mod labels;
mod numbers;
mod own;
mod random;
