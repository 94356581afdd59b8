//! CHECK: the agent still holds what ADD told it, and the device is attached.

use std::{collections::BTreeSet, net::IpAddr};

use tidegate_api::DeviceRow;

use crate::{
    Links,
    agent::Agent,
    config::Config,
    environment::Environment,
    failure::{Code, Failure},
};

pub(crate) async fn run(
    environment: &Environment,
    config: &Config,
    agent: &Agent,
    links: &impl Links,
) -> Result<String, Failure> {
    let addresses = config.addresses(&environment.ifname)?;
    let Some(netns) = environment.netns.as_ref().filter(|path| path.exists()) else {
        return Err(Failure::new(
            Code::UnknownContainer,
            format!(
                "the network namespace of container {} is gone",
                environment.container_id
            ),
        ));
    };
    let device = links.host_device(netns, &environment.ifname)?;
    let out_of_step = |what: &str| {
        let message = format!("device {}: {what}; add the container anew", device.name);
        Failure::new(Code::OutOfStep, message)
    };
    let Some(row) = agent.device(&device.name).await? else {
        return Err(out_of_step("the agent does not know it"));
    };
    if row.hooks.is_empty() {
        let message = format!("device {} is not attached: {}", device.name, row.why);
        return Err(Failure::new(Code::NotAttached, message));
    }
    let owner = environment.owner(&config.network);
    if !row.owner.as_ref().is_some_and(|it| it.is_same(&owner)) {
        return Err(out_of_step(
            "the agent does not hold it as this container's",
        ));
    }
    match difference(&row, &addresses) {
        Some(details) => {
            Err(out_of_step("the agent has other addresses for it").with_details(details))
        }
        None => Ok(String::new()),
    }
}

fn difference(row: &DeviceRow, addresses: &[IpAddr]) -> Option<String> {
    let held: BTreeSet<IpAddr> = row.addresses.iter().copied().collect();
    let wanted: BTreeSet<IpAddr> = addresses.iter().copied().collect();
    (held != wanted).then(|| format!("agent: {held:?}, prevResult: {wanted:?}"))
}
