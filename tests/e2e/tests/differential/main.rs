//! tidegate against kube-proxy: the same manifests and the same questions in two identical scenes of
//! two nodes, once with the nftables rules that kube-proxy would write, once with tidegate.
//!
//! Every difference is in [`allowed::ALLOWED`] or fails; one that is there and does not occur any more
//! fails as well. The rules are written by [`kube`], from the specification and not from tidegate's
//! code; the kernel's own NAT carries them out.

mod allowed;
mod ask;
mod cases;
mod kube;
mod matrix;
mod observe;
mod stage;

use anyhow::{Result, ensure};

use allowed::{ALLOWED, Allowed};
use matrix::{Cell, cells};
use observe::{Seen, again, observe};
use stage::Stage;

/// A machine that is slow in so many cells is not slow but different.
const ASKED_AGAIN: usize = 60;

#[test]
fn every_difference_to_kube_proxy_is_a_decision_and_every_decision_shows() -> Result<()> {
    let (kube_proxy, tidegate) = (Stage::kube_proxy()?, Stage::tidegate(&[])?);
    let groups = cells(&kube_proxy.cases);
    let start = std::time::Instant::now();
    let (mut theirs, mut ours) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| observe(&kube_proxy, &groups));
        let ours = observe(&tidegate, &groups);
        let theirs = theirs.join();
        (theirs.unwrap_or_else(|panic| std::panic::resume_unwind(panic)), ours)
    });
    eprintln!("observed {:?}", start.elapsed());
    let odd: Vec<Cell> = groups
        .into_iter()
        .flatten()
        .filter(|cell| judge(cell, &theirs, &ours).is_some())
        .collect();
    for cell in odd.iter().take(ASKED_AGAIN) {
        let _before = theirs.insert(cell.clone(), again(&kube_proxy, cell));
        let _before = ours.insert(cell.clone(), again(&tidegate, cell));
    }
    let complaints: Vec<String> = odd
        .iter()
        .filter_map(|cell| judge(cell, &theirs, &ours))
        .collect();
    ensure!(
        complaints.is_empty(),
        "{} of {} cells:\n{}",
        complaints.len(),
        theirs.len(),
        complaints.join("\n")
    );
    Ok(())
}

/// What is wrong with a cell, if anything is.
fn judge(cell: &Cell, theirs: &Seen, ours: &Seen) -> Option<String> {
    let nothing = String::new();
    let kube_proxy = theirs.get(cell).unwrap_or(&nothing);
    let tidegate = ours.get(cell).unwrap_or(&nothing);
    let found = format!("{cell}\n  kube-proxy: {kube_proxy}\n  tidegate:   {tidegate}");
    match ALLOWED.iter().find(|row| row.covers(cell)) {
        None if kube_proxy == tidegate => None,
        None => Some(found),
        Some(row) if (kube_proxy, tidegate) == (&row.kube_proxy.to_owned(), &row.tidegate.to_owned()) => {
            None
        }
        Some(Allowed {
            kube_proxy,
            tidegate,
            why,
            ..
        }) => Some(format!(
            "{found}\n  but {why}:\n  kube-proxy: {kube_proxy}\n  tidegate:   {tidegate}"
        )),
    }
}
