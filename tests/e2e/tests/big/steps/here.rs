//! At this node: a client on a link of 9000, and pods and the LAN on links of 1500.

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Borrowed, Discover, Ep, Shared, Svc, World, discover, soon};
use tidegate_rig::Netns;

use super::{add_client, claim_large_segments, forget, learns, transfer};
use crate::datagrams::{echo, socket};

static HERE: Shared = Shared::new(|| {
    let mut world = World::builder()
        .pods(2, 1)
        .args(&["--uplink", "eth*"])
        .build()?;
    let wide = add_client(&mut world, "a", 9000)?;
    world.extra.push(wide);
    for pod in [world.a(1), world.a(2), world.b(1)] {
        claim_large_segments(&pod.ns, 1500)?;
    }
    Ok(world)
});

fn here() -> Result<(Borrowed<'static>, Netns)> {
    let world = HERE.borrow()?;
    let wide = world.extra[0].clone();
    Ok((world, wide))
}

#[test]
fn rule_5_5_11_and_5_5_4_tcp_passes_from_9000_to_1500_at_this_node() -> Result<()> {
    let (world, wide) = here()?;
    let svc = Svc::new("here-tcp", 21);
    for pod in [world.a(1), world.b(1)] {
        world.put(&svc, &[Ep::of(pod)])?;
        for v6 in [false, true] {
            transfer(&wide, svc.node_port(world.node_address(v6)))
                .with_context(|| pod.name.clone())?;
        }
    }
    Ok(())
}

#[test]
fn rule_5_5_11_and_5_5_4_udp_senders_learn_of_1500_at_this_node() -> Result<()> {
    let (world, wide) = here()?;
    let svc = Svc::new("here-udp", 22);
    for v6 in [false, true] {
        let to = svc.node_port(world.node_address(v6));
        world.put(&svc, &[Ep::of(world.b(1))])?;
        // What an earlier test learnt is forgotten.
        forget(&wide)?;
        learns(&wide, to, 8000, 1500)?;
        // A pod of this node is reached past its link, so nothing is too big for it.
        world.put(&svc, &[Ep::of(world.a(1))])?;
        forget(&wide)?;
        wide.run(|| -> Result<()> {
            let socket = socket(to)?;
            discover(&socket, Discover::Do)?;
            let _pod = echo(&socket, to, 8000).context("a pod of this node")?;
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn rule_5_6_1_datagrams_that_may_be_cut_up_pass_from_9000_to_1500_at_this_node() -> Result<()> {
    let (world, wide) = here()?;
    let svc = Svc::new("here-cut", 24);
    for pod in [world.a(1), world.b(1)] {
        world.put(&svc, &[Ep::of(pod)])?;
        let to = svc.node_port(world.node_address(false));
        wide.run(|| -> Result<()> {
            let socket = socket(to)?;
            discover(&socket, Discover::Dont)?;
            for size in [2000, 8000, 20_000, 65_400] {
                let backend = echo(&socket, to, size)?;
                ensure!(backend == pod.name, "{backend} answered");
            }
            Ok(())
        })
        .with_context(|| pod.name.clone())?;
    }
    Ok(())
}

#[test]
fn rule_5_6_1_datagrams_of_ipv6_pass_from_9000_to_1500_once_the_sender_knows() -> Result<()> {
    let (world, wide) = here()?;
    let svc = Svc::new("here-cut6", 25);
    for pod in [world.a(1), world.b(1)] {
        world.put(&svc, &[Ep::of(pod)])?;
        let to = svc.node_port(world.node_address(true));
        // Routers do not cut IPv6 up: the first datagrams are lost, and the sender is told.
        wide.run(|| -> Result<()> {
            let socket = socket(to)?;
            for size in [2000, 8000, 20_000, 65_400] {
                let backend = soon(|| echo(&socket, to, size))?;
                ensure!(backend == pod.name, "{backend} answered");
            }
            Ok(())
        })
        .with_context(|| pod.name.clone())?;
    }
    Ok(())
}
