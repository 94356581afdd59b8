//! All journeys, in one binary: the programs are loaded once.

mod clients;
mod pods;
mod host_backends;
mod masquerade;
mod answers;
mod policies;
mod pod_ranges;
mod wire;
mod lives;
mod addresses;
mod crossing;
mod sweeping;
mod times;
mod passing;
mod martians;
mod selection;
mod sctp;
mod icmp_errors;
mod ping;
mod fragments;
mod affinity;
mod source_ranges;
mod sockets;
mod properties;
mod both_alike;
mod explain;
