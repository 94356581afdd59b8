//! Which devices we are attached to, followed as they come, go and change their names.
//!
//! A device that cannot be attached is told about and tried again at the next news or after a while; the others work.

use std::collections::BTreeMap;

use tidegate_abi::Device;
use tidegate_api::DeviceRow;
use tidegate_loader::{Attach, Attached, Error, Role};

use crate::{
    devices::{Facts, Wanted},
    kernel::Kernel,
};

const NO_UPLINK: &str = "no device is the uplink, so clients outside this node are not served: give the node a default route, or name devices with --uplink";

const WAITS: &str = "another version of the maps serves here until ours are complete";

/// By interface index.
#[derive(Debug, Default)]
pub(super) struct Attachments {
    /// All devices that match.
    devices: BTreeMap<u32, Attachment>,
    /// Others, of which the data path knows the addresses.
    masters: BTreeMap<u32, Device>,
}

#[derive(Debug)]
struct Attachment {
    name: String,
    role: Role,
    device: Device,
    is_jumbo: bool,
    outcome: Result<Attached, String>,
}

impl Attachments {
    /// Forgets what an earlier run said about devices that are not ours any more.
    pub(super) fn forget_others<K: Kernel>(kernel: &mut K, facts: &Facts) -> Result<(), Error> {
        let keep: Vec<u32> = facts.devices.keys().copied().collect();
        kernel.forget_links_except(&keep)?;
        for (index, _) in kernel.known_devices()? {
            if !facts.devices.contains_key(&index) && !facts.masters.contains_key(&index) {
                kernel.set_device(index, None)?;
            }
        }
        Ok(())
    }

    /// Notes which devices somebody else has detached us from; the next [`Self::sync`] attaches them again.
    pub(super) fn note_lost(&mut self, lost: &[String]) {
        for held in self.devices.values_mut() {
            if held.outcome.is_ok() && lost.contains(&held.name) {
                tracing::warn!(
                    "device {}: somebody else has detached our program",
                    held.name
                );
                held.outcome = Err("somebody else has detached our program".to_owned());
            }
        }
    }

    /// Makes the attachments match what is wanted. `None`: tells the data path about the devices, and attaches
    /// to none of them yet.
    pub(super) fn sync<K: Kernel>(
        &mut self,
        kernel: &mut K,
        facts: &Facts,
        attach: Option<Attach>,
    ) {
        self.sync_devices(kernel, &facts.devices, attach);
        self.sync_masters(kernel, facts);
    }

    /// Tells the addresses of devices that have no program.
    fn sync_masters<K: Kernel>(&mut self, kernel: &mut K, facts: &Facts) {
        for (index, device) in &facts.masters {
            if self.masters.get(index) == Some(device) {
                continue;
            }
            match kernel.set_device(*index, Some(*device)) {
                Ok(()) => drop(self.masters.insert(*index, *device)),
                Err(error) => tracing::warn!("device with index {index}: {error}"),
            }
        }
        let gone = |index: &u32, _: &mut Device| !facts.masters.contains_key(index);
        for (index, _) in self.masters.extract_if(.., gone) {
            if !facts.devices.contains_key(&index)
                && let Err(error) = kernel.set_device(index, None)
            {
                tracing::warn!("device with index {index}: {error}");
            }
        }
    }

    fn sync_devices<K: Kernel>(
        &mut self,
        kernel: &mut K,
        wanted: &BTreeMap<u32, Wanted>,
        attach: Option<Attach>,
    ) {
        // First away with what is gone: a new device may have taken its name.
        let fits = |index: &u32, held: &Attachment| {
            wanted
                .get(index)
                .is_some_and(|it| it.name == held.name && it.role == held.role)
        };
        for (index, held) in self
            .devices
            .extract_if(.., |index, held| !fits(index, held))
        {
            if let Err(error) = kernel.detach_device(&held.name) {
                tracing::warn!("device {}: {error}", held.name);
            }
            if let Err(error) = kernel.set_device(index, None) {
                tracing::warn!("device {}: {error}", held.name);
            }
            tracing::info!("device {}: detached", held.name);
        }
        for (index, it) in wanted {
            // Whether it has XDP depends on its MTU.
            let held = self.devices.get(index);
            let is_attached =
                held.is_some_and(|held| held.outcome.is_ok() && held.is_jumbo == it.is_jumbo);
            if is_attached && held.is_some_and(|held| held.device == it.device) {
                continue;
            }
            // Its entry comes first, so that no packet meets a device that is not known.
            let known = kernel
                .set_device(*index, Some(it.device))
                .map_err(|error| error.to_string());
            let outcome = match (known, held) {
                (Err(reason), _) => Err(reason),
                (Ok(()), Some(held)) if is_attached => held.outcome.clone(),
                (Ok(()), _) => attach_one(kernel, it, attach),
            };
            let Wanted {
                name,
                role,
                device,
                is_jumbo,
            } = it.clone();
            self.devices.insert(
                *index,
                Attachment {
                    name,
                    role,
                    device,
                    is_jumbo,
                    outcome,
                },
            );
        }
    }

    /// One line for each device that could not be attached, and one when there is no uplink.
    pub(super) fn failures(&self) -> Vec<String> {
        let failed = self.devices.values().filter_map(|held| {
            let reason = held.outcome.as_ref().err().filter(|it| *it != WAITS)?;
            Some(format!("device {}: {reason}", held.name))
        });
        let has_uplink = self.devices.values().any(|held| held.role == Role::Uplink);
        let missing = (!has_uplink).then(|| NO_UPLINK.to_owned());
        failed.chain(missing).collect()
    }

    pub(super) fn rows(&self) -> Vec<DeviceRow> {
        let row = |(index, held): (&u32, &Attachment)| {
            let (hooks, why) = match &held.outcome {
                Ok(attached) => (attached.hooks.clone(), attached.why.clone()),
                Err(reason) => (String::new(), reason.clone()),
            };
            let role = role_name(held.role).to_owned();
            DeviceRow {
                name: held.name.clone(),
                index: *index,
                role,
                hooks,
                why,
                ..DeviceRow::default()
            }
        };
        self.devices.iter().map(row).collect()
    }
}

fn attach_one<K: Kernel>(
    kernel: &mut K,
    it: &Wanted,
    attach: Option<Attach>,
) -> Result<Attached, String> {
    let attach = attach.ok_or_else(|| WAITS.to_owned())?;
    let attached = kernel
        .attach_device(&it.name, it.role, attach)
        .map_err(|error| error.to_string())?;
    let role = role_name(it.role);
    tracing::info!(
        "device {}: attached as {role} with {} ({})",
        it.name,
        attached.hooks,
        attached.why
    );
    Ok(attached)
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Uplink => "uplink",
        Role::Pod => "pod",
        Role::Overlay => "overlay",
    }
}
