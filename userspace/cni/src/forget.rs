//! DEL and GC: devices are forgotten.
//!
//! A veth goes with its pod, and its programs go with it, whether the agent hears of it or not. So an agent
//! that is away keeps no container from being removed: that is said, and is no error.

use std::collections::BTreeSet;

use tidegate_api::{DeviceOwner, DeviceRow};

use crate::{agent::Agent, config::Config, environment::Environment, failure::Failure};

/// Forgets what this attachment has; nothing is fine.
pub(crate) async fn del(
    environment: &Environment,
    config: &Config,
    agent: &Agent,
    remarks: &mut Vec<String>,
) -> Result<String, Failure> {
    let owner = environment.owner(&config.network);
    let forgotten = forget(agent, |it| it.is_same(&owner)).await;
    remarks.extend(forgotten.err().map(|failure| {
        format!("{failure}; the agent forgets the device when it sees that it is gone")
    }));
    Ok(String::new())
}

/// Forgets what attachments of this network have that the runtime does not name.
pub(crate) async fn gc(
    config: &Config,
    agent: &Agent,
    remarks: &mut Vec<String>,
) -> Result<String, Failure> {
    let valid = config.valid_attachments()?;
    let valid: BTreeSet<(&str, &str)> = valid
        .iter()
        .map(|it| (it.container_id.as_str(), it.ifname.as_str()))
        .collect();
    let is_stale = |it: &DeviceOwner| {
        it.network == config.network
            && !valid.contains(&(it.container_id.as_str(), it.ifname.as_str()))
    };
    let count = forget(agent, is_stale).await?;
    if count > 0 {
        remarks.push(format!(
            "forgot {count} devices of containers that are gone"
        ));
    }
    Ok(String::new())
}

/// Forgets the devices of such owners; says how many there were. One that fails does not keep the others.
async fn forget(agent: &Agent, is_meant: impl Fn(&DeviceOwner) -> bool) -> Result<usize, Failure> {
    let (mut count, mut result) = (0, Ok(()));
    for DeviceRow { name, owner, .. } in agent.devices().await? {
        let Some(owner) = owner.filter(&is_meant) else {
            continue;
        };
        match agent.forget(&name, &owner.container_id).await {
            Ok(()) => count += 1,
            Err(failure) => result = Err(failure),
        }
    }
    result.map(|()| count)
}
