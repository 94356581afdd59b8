//! tidegate against kube-proxy: the same manifests and the same questions in two identical scenes of
//! two nodes, once with the nftables rules that kube-proxy would write, once with tidegate.
//!
//! Every difference is in a table of [`allowed`] ones or fails; one that is there and does not occur
//! any more fails as well. The rules are written by [`kube`], from the specification and not from
//! tidegate's code, and the kernel's own NAT carries them out.

mod allowed;
mod ask;
mod cases;
mod compare;
mod kube;
mod matrix;
mod observe;
mod stage;

use anyhow::Result;

use compare::Comparison;
use matrix::{Cell, Client, To, cells};
use stage::Stage;

#[test]
fn every_difference_to_kube_proxy_is_a_decision_and_every_decision_shows() -> Result<()> {
    let comparison = Comparison {
        kube_proxy: Stage::kube_proxy()?,
        tidegate: Stage::tidegate(&[])?,
        allowed: allowed::DEFAULT,
    };
    comparison.run(&cells(&comparison.kube_proxy.cases))
}

#[test]
fn cluster_ips_that_are_served_to_outsiders_are_served_as_by_kube_proxy() -> Result<()> {
    let comparison = Comparison {
        kube_proxy: Stage::kube_proxy()?,
        tidegate: Stage::tidegate(&["--external-clusterip"])?,
        allowed: allowed::EXTERNAL_CLUSTER_IP,
    };
    let mut groups = cells(&comparison.kube_proxy.cases);
    for group in &mut groups {
        let outside = |cell: &Cell| cell.client == Client::Outside;
        let inside = [To::ClusterIp, To::OtherPort, To::Unowned];
        group.retain(|cell| outside(cell) && inside.contains(&cell.to));
    }
    comparison.run(&groups)
}
