//! STATUS: whether ADD would be served.

use crate::{
    agent::Agent,
    failure::{Code, Failure},
};

pub(crate) async fn run(agent: &Agent) -> Result<String, Failure> {
    let ready = agent.is_ready().await;
    // The data path serves without the agent, so what is there works.
    let ready = ready.map_err(|failure| Failure {
        code: Code::NotAvailable,
        ..failure
    })?;
    if ready {
        return Ok(String::new());
    }
    Err(Failure::new(
        Code::LimitedConnectivity,
        "the agent's maps do not match its sources: `tidegate status` says why",
    ))
}
