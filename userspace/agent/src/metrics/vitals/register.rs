//! Under which names [`Vitals`] are shown, and what is said about them.

use prometheus_client::registry::{Registry, Unit::Seconds};

use super::Vitals;

impl Vitals {
    /// Everything but the devices, which the page shows in another form.
    pub(in crate::metrics) fn register(&self, to: &mut Registry) {
        let help = "Time that it took to make the maps match the sources";
        to.register_with_unit("tidegate_sync_duration", help, Seconds, self.sync.clone());
        let help = "Attempts to make the maps match the sources that failed and were repeated";
        to.register("tidegate_sync_failures", help, self.sync_failures.clone());
        let help = "Time from when a source heard of a change until the maps had it";
        let times = self.event_to_map.clone();
        to.register_with_unit("tidegate_event_to_map", help, Seconds, times);
        let help = "Requests to the local API";
        to.register("tidegate_api_requests", help, self.api_requests.clone());
        self.register_syncs(to.sub_registry_with_prefix("kubeproxy_sync_proxy_rules"));
        self.register_others(to.sub_registry_with_prefix("kubeproxy"));
    }

    fn register_syncs(&self, to: &mut Registry) {
        let help = "The same as tidegate_sync_duration_seconds";
        to.register_with_unit("duration", help, Seconds, self.sync.clone());
        let help = "When the maps last matched the sources";
        to.register_with_unit("last_timestamp", help, Seconds, self.last_sync.clone());
        let help = "When a change last had to get into the maps";
        let time = self.last_queued.clone();
        to.register_with_unit("last_queued_timestamp", help, Seconds, time);
        let pending = "Of these, those that are not in the maps yet";
        let help = "Services that were added, changed or removed";
        to.register("service_changes", help, self.service_changes.total.clone());
        let changes = self.service_changes.pending.clone();
        to.register("service_changes_pending", pending, changes);
        let help = "EndpointSlices that were added, changed or removed";
        to.register(
            "endpoint_changes",
            help,
            self.endpoint_changes.total.clone(),
        );
        let changes = self.endpoint_changes.pending.clone();
        to.register("endpoint_changes_pending", pending, changes);
        let help = "Service ports with traffic policy Local whose endpoints are all elsewhere";
        to.register("no_local_endpoints_total", help, self.no_local.clone());
    }

    fn register_others(&self, to: &mut Registry) {
        let help = "Time from the trigger of an endpoint change, as the EndpointSlice tells it, until the maps had it";
        let times = self.programming.clone();
        to.register_with_unit("network_programming_duration", help, Seconds, times);
        let [healthz, livez] = &self.probes;
        let help = "Answers at /healthz of the health port";
        to.register("proxy_healthz", help, healthz.clone());
        let help = "Answers at /livez of the health port";
        to.register("proxy_livez", help, livez.clone());
    }
}
