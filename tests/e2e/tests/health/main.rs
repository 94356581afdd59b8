//! What load balancers and supervisors ask a node, from wherever they may ask (rules 3.9 and 3.10).

mod probe;
mod web;
mod service_port;
mod follow;
mod proxy_port;
