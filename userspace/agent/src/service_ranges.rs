//! Which blocks clusterIPs come from: those that the user says, and those that ServiceCIDRs say (rule 1.6.11).
//!
//! The data path drops packets to addresses of these blocks that no Service has, so a block too many
//! does harm: the default is a guess, and gives way to what the cluster says.

use tidegate_abi::settings::SERVICE_RANGES;

use crate::{cidr::Cidr, config::Config};

/// The blocks, and what is wrong with them.
#[derive(Debug, Default)]
pub(crate) struct ServiceRanges {
    learnt: Vec<Cidr>,
    wrong: Vec<String>,
}

impl ServiceRanges {
    /// Takes in the blocks of all ServiceCIDRs.
    pub(crate) fn learn(&mut self, texts: &[String]) {
        (self.learnt, self.wrong) = (Vec::new(), Vec::new());
        for text in texts {
            match text.parse::<Cidr>() {
                Ok(block) => self.learnt.push(block),
                Err(reason) => self
                    .wrong
                    .push(format!("Kubernetes API: ServiceCIDR: {reason}")),
            }
        }
    }

    /// Every block once, without those that lie in others, and as many as fit.
    pub(crate) fn blocks(&self, config: &Config) -> Vec<Cidr> {
        let (all, _) = self.of_families(config);
        all
    }

    /// One line each.
    pub(crate) fn problems(&self, config: &Config) -> Vec<String> {
        let (_, too_many) = self.of_families(config);
        let lines = too_many.iter().map(|block| {
            format!(
                "Kubernetes API: ServiceCIDR {block} does not fit: {SERVICE_RANGES} blocks of each family at most; its Services work, packets to its free addresses are not stopped"
            )
        });
        self.wrong.iter().cloned().chain(lines).collect()
    }

    /// What fits, and what does not.
    fn of_families(&self, config: &Config) -> (Vec<Cidr>, Vec<Cidr>) {
        let said = &config.service_cidr;
        let is_guess = config.guesses_service_cidr && !self.learnt.is_empty();
        let said = said.iter().filter(|_| !is_guess);
        let mut all: Vec<Cidr> = said.chain(&self.learnt).copied().collect();
        // The user's own first; of the others the widest first, so that what they hold is left out.
        let first_learnt = all.len() - self.learnt.len();
        all[first_learnt..].sort_by_key(|block| block.parts().1);
        let (mut fit, mut too_many): (Vec<Cidr>, Vec<Cidr>) = (Vec::new(), Vec::new());
        for block in all {
            let (network, _) = block.parts();
            let is_in = |other: &Cidr| other.contains(network) && other.contains(block.last());
            let of_family = |it: &&Cidr| it.parts().0.is_ipv4() == network.is_ipv4();
            if fit.iter().any(is_in) {
                continue;
            }
            match fit.iter().filter(of_family).count() < SERVICE_RANGES {
                true => fit.push(block),
                false => too_many.push(block),
            }
        }
        (fit, too_many)
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;
    use crate::config::Options;

    fn config(args: &[&str]) -> Config {
        let command = Options::augment_args(Command::new("run")).no_binary_name(true);
        let matches = command.get_matches_from(["--node-name", "a"].iter().chain(args));
        Config::load(Options::from_arg_matches(&matches).unwrap()).unwrap()
    }

    fn blocks(said: &[&str], learnt: &[&str]) -> Vec<String> {
        let mut ranges = ServiceRanges::default();
        let texts: Vec<String> = learnt.iter().map(|&it| it.to_owned()).collect();
        ranges.learn(&texts);
        let blocks = ranges.blocks(&config(said));
        blocks.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rule_1_6_11_service_ranges_are_the_union_of_what_is_said_and_what_the_cluster_says() {
        let said = ["--service-cidr", "10.96.0.0/16"];
        let learnt = ["10.200.0.0/24", "10.96.3.0/24", "fd00:1::/112"];
        assert_eq!(
            blocks(&said, &learnt),
            ["10.96.0.0/16", "10.200.0.0/24", "fd00:1::/112"]
        );
    }

    #[test]
    fn rule_1_6_11_the_default_is_a_guess_and_gives_way() {
        assert_eq!(blocks(&[], &["10.43.0.0/16"]), ["10.43.0.0/16"]);
        assert_eq!(blocks(&[], &[]), ["10.96.0.0/12"]);
        assert_eq!(blocks(&[], &["nonsense"]), ["10.96.0.0/12"]);
    }

    #[test]
    fn blocks_that_do_not_fit_are_told() {
        let texts: Vec<String> = (0..6).map(|it| format!("10.{it}.0.0/24")).collect();
        let mut ranges = ServiceRanges::default();
        ranges.learn(&texts);
        let config = config(&[]);
        assert_eq!(ranges.blocks(&config).len(), SERVICE_RANGES);
        assert_eq!(ranges.problems(&config).len(), 6 - SERVICE_RANGES);
    }
}
