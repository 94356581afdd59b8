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
use tidegate_e2e::Shared;

use compare::Comparison;
use matrix::{Cell, Client, To, cells};
use stage::Stage;

static KUBE_PROXY: Shared<Stage> = Shared::new(Stage::kube_proxy);

/// Where pods' addresses come from, which is what kube-proxy's rules go by.
pub(crate) const POD_CIDRS: [&str; 2] = ["10.244.0.0/16", "fd00:244::/32"];

/// Compares the cells of one choice with tidegate run like this.
fn compare(
    args: &[&str],
    allowed: &'static [allowed::Allowed],
    chosen: fn(&Cell) -> bool,
) -> Result<()> {
    let kube_proxy = KUBE_PROXY.borrow()?;
    let mut groups = cells(&kube_proxy.cases);
    for group in &mut groups {
        group.retain(chosen);
    }
    groups.retain(|group| !group.is_empty());
    let comparison = Comparison {
        kube_proxy: &kube_proxy,
        tidegate: Stage::tidegate(args)?,
        allowed,
    };
    comparison.run(&groups)
}

#[test]
fn every_difference_to_kube_proxy_is_a_decision_and_every_decision_shows() -> Result<()> {
    compare(&[], allowed::DEFAULT, |_| true)
}

#[test]
fn cluster_ips_that_are_served_to_outsiders_are_served_as_by_kube_proxy() -> Result<()> {
    compare(
        &["--external-clusterip"],
        allowed::EXTERNAL_CLUSTER_IP,
        |cell| {
            cell.client == Client::Outside
                && [To::ClusterIp, To::OtherPort, To::Unowned].contains(&cell.to)
        },
    )
}

#[test]
fn pods_that_are_known_by_their_addresses_meet_what_they_meet_with_kube_proxy() -> Result<()> {
    let args = ["--pod-cidr", &POD_CIDRS.join(",")];
    compare(&args, allowed::POD_CIDR, |cell| {
        cell.client == Client::PodElsewhere && cell.to == To::NodePort
    })
}
