//! The API server's own Service keeps its last endpoints (rule 5.1.14).
//!
//! This agent, and others on the node, may reach the API server through `default/kubernetes`, which it
//! serves itself. If that Service lost its endpoints (the servers restart one after the other, or their
//! lease ran out), nobody would hear of the new ones. Other Services go to zero as they should.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::resource::Resource;

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const OWN: &str = "kubernetes: Service default/kubernetes";

/// What the server says of its own Service, and what was passed on of it.
#[derive(Debug, Default)]
pub(crate) struct Cord {
    /// Slices by their file, as they are.
    now: BTreeMap<String, Value>,
    /// Slices as they were passed on.
    passed: BTreeMap<String, Value>,
}

/// What to pass on; none stands for an object that is gone.
pub(crate) type Passed = Vec<(String, Option<Value>)>;

impl Cord {
    /// Whether what is called so is the server's own Service, or was one of its slices when it was last heard of.
    pub(crate) fn knows(&self, resource: Resource, file: &str) -> bool {
        match resource {
            Resource::Services => file == OWN,
            Resource::EndpointSlices => self.now.contains_key(file),
            Resource::Node | Resource::ServiceCidrs => false,
        }
    }

    /// Takes in an object, or that it is gone. Returns what is to be passed on.
    pub(crate) fn take(
        &mut self,
        resource: Resource,
        file: String,
        object: Option<Value>,
    ) -> Passed {
        if resource == Resource::Services {
            // The server makes it anew within seconds; it may have another address then.
            return object.map(|it| (file, Some(it))).into_iter().collect();
        }
        match object.filter(is_of_server) {
            Some(object) => self.now.insert(file, object),
            None => self.now.remove(&file),
        };
        self.sync()
    }

    /// Whether endpoints are served that the server no longer names.
    pub(crate) fn holds(&self) -> bool {
        self.now != self.passed
    }

    /// Passes on each family that has an endpoint, or never had one.
    fn sync(&mut self) -> Passed {
        let mut passed = Vec::new();
        for family in ["IPv4", "IPv6"] {
            let (now, before) = (of(&self.now, family), of(&self.passed, family));
            if now == before || (has_endpoint(&before) && !has_endpoint(&now)) {
                continue;
            }
            let gone = before.keys().filter(|file| !now.contains_key(*file));
            for file in gone {
                self.passed.remove(file);
                passed.push((file.clone(), None));
            }
            for (file, object) in now {
                if before.get(&file) != Some(&object) {
                    self.passed.insert(file.clone(), object.clone());
                    passed.push((file, Some(object)));
                }
            }
        }
        passed
    }
}

/// Whether this object is the server's own Service, or one of its slices.
pub(crate) fn is_own(resource: Resource, file: &str, object: &Value) -> bool {
    match resource {
        Resource::Services => file == OWN,
        Resource::EndpointSlices => is_of_server(object),
        Resource::Node | Resource::ServiceCidrs => false,
    }
}

fn is_of_server(slice: &Value) -> bool {
    let metadata = &slice["metadata"];
    metadata["namespace"] == "default" && metadata["labels"][SERVICE_NAME] == "kubernetes"
}

fn of(slices: &BTreeMap<String, Value>, family: &str) -> BTreeMap<String, Value> {
    let of_family = slices.iter().filter(|(_, it)| it["addressType"] == family);
    let pairs = of_family.map(|(file, slice)| (file.clone(), slice.clone()));
    pairs.collect()
}

/// Whether new connections would have somewhere to go (rules 2.1.1 and 2.1.2).
fn has_endpoint(slices: &BTreeMap<String, Value>) -> bool {
    let lists = slices.values().filter_map(|it| it["endpoints"].as_array());
    lists.flatten().any(|endpoint| {
        let condition = |name: &str| endpoint["conditions"][name].as_bool();
        let is_ready = condition("ready").unwrap_or(true);
        let serves_last =
            condition("serving").unwrap_or(true) && condition("terminating") == Some(true);
        let has_address = endpoint["addresses"]
            .as_array()
            .is_some_and(|it| !it.is_empty());
        has_address && (is_ready || serves_last)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FILE: &str = "kubernetes: EndpointSlice default/kubernetes";

    fn slice(endpoints: &Value) -> Value {
        json!({
            "metadata": {"namespace": "default", "name": "kubernetes",
                         "labels": {"kubernetes.io/service-name": "kubernetes"}},
            "addressType": "IPv4", "endpoints": endpoints,
        })
    }

    fn take(cord: &mut Cord, object: Option<Value>) -> Passed {
        cord.take(Resource::EndpointSlices, FILE.to_owned(), object)
    }

    #[test]
    fn rule_5_1_14_the_last_endpoints_stay_until_there_are_others() {
        let mut cord = Cord::default();
        let first = slice(&json!([{"addresses": ["192.0.2.1"]}]));
        assert_eq!(take(&mut cord, Some(first.clone())).len(), 1);
        assert!(!cord.holds());
        let gone = json!([{"addresses": ["192.0.2.1"], "conditions": {"ready": false}}]);
        for empty in [Some(slice(&json!([]))), Some(slice(&gone)), None] {
            assert_eq!(take(&mut cord, empty), vec![]);
            assert!(cord.holds());
        }
        let second = slice(&json!([{"addresses": ["192.0.2.2"]}]));
        assert_eq!(
            take(&mut cord, Some(second.clone())),
            vec![(FILE.to_owned(), Some(second))]
        );
        assert!(!cord.holds());
    }

    #[test]
    fn rule_5_1_14_a_slice_that_goes_while_another_serves_is_gone() {
        let mut cord = Cord::default();
        let one = slice(&json!([{"addresses": ["192.0.2.1"]}]));
        take(&mut cord, Some(one.clone()));
        let other = format!("{FILE}-2");
        assert_eq!(
            cord.take(Resource::EndpointSlices, other.clone(), Some(one))
                .len(),
            1
        );
        assert_eq!(take(&mut cord, None), vec![(FILE.to_owned(), None)]);
    }

    #[test]
    fn rule_5_1_14_the_service_itself_is_replaced_and_never_removed() {
        let mut cord = Cord::default();
        let service = json!({"metadata": {"namespace": "default", "name": "kubernetes"}});
        let mut take = |object| cord.take(Resource::Services, OWN.to_owned(), object);
        assert_eq!(
            take(Some(service.clone())),
            vec![(OWN.to_owned(), Some(service))]
        );
        assert_eq!(take(None), vec![]);
    }

    #[test]
    fn only_the_server_s_own_service_is_concerned() {
        let mut other = slice(&json!([]));
        assert!(is_own(Resource::EndpointSlices, FILE, &other));
        other["metadata"]["namespace"] = json!("team");
        assert!(!is_own(Resource::EndpointSlices, FILE, &other));
        let service = "kubernetes: Service team/kubernetes";
        assert!(!is_own(Resource::Services, service, &json!({})));
        let mut cord = Cord::default();
        assert!(!cord.knows(Resource::EndpointSlices, FILE));
        take(&mut cord, Some(slice(&json!([]))));
        assert!(cord.knows(Resource::EndpointSlices, FILE));
    }
}
