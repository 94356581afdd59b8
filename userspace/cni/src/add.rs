//! ADD: the pod's device is declared, with the pod's addresses, and attached when this returns.

use tidegate_api::{Declaration, DeviceRole};

use crate::{
    Links,
    agent::Agent,
    config::Config,
    environment::Environment,
    failure::{Code, Failure},
    printed,
};

pub(crate) async fn run(
    environment: &Environment,
    config: &Config,
    agent: &Agent,
    links: &impl Links,
) -> Result<String, Failure> {
    let previous = config.previous()?.clone();
    let addresses = config.addresses(&environment.ifname)?;
    let Some(netns) = &environment.netns else {
        return Err(Failure::new(
            Code::InvalidEnvironment,
            "CNI_NETNS is not set",
        ));
    };
    let device = links.host_device(netns, &environment.ifname)?;
    let declaration = Declaration {
        role: DeviceRole::Pod,
        addresses,
        mac: device.pod_mac,
        owner: Some(environment.owner(&config.network)),
        netns: Some(netns.display().to_string()),
    };
    let row = agent.declare(&device.name, &declaration).await?;
    if row.hooks.is_empty() {
        let message = format!("device {} is not attached: {}", device.name, row.why);
        return Err(Failure::new(Code::NotAttached, message));
    }
    Ok(printed(previous, &config.version))
}
