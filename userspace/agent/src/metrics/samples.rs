//! Writes metrics whose values are only known when somebody asks.

use std::fmt;

use prometheus_client::{
    encoding::{
        DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, NoLabelSet,
    },
    metrics::MetricType,
    registry::Unit,
};

use super::traffic::Row;

/// Where a page is being written to.
pub(super) struct Sheet<'a>(pub(super) DescriptorEncoder<'a>);

/// Name, unit and help; the unit is a part of the full name.
pub(super) struct Head<'a>(
    pub(super) &'a str,
    pub(super) Option<Unit>,
    pub(super) &'a str,
);

impl Sheet<'_> {
    /// A metric that only grows; its samples' names end with `_total`.
    pub(super) fn counters<L: EncodeLabelSet, V: EncodeCounterValue>(
        &mut self,
        Head(name, unit, help): Head<'_>,
        samples: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let kind = MetricType::Counter;
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), kind)?;
        for (labels, value) in samples {
            metric
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    /// The same without labels.
    pub(super) fn counter(
        &mut self,
        Head(name, unit, help): Head<'_>,
        value: impl EncodeCounterValue,
    ) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, unit.as_ref(), MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    /// A metric that rises and falls.
    pub(super) fn gauges<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        Head(name, unit, help): Head<'_>,
        samples: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let kind = MetricType::Gauge;
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), kind)?;
        for (labels, value) in samples {
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// The same without labels.
    pub(super) fn gauge(
        &mut self,
        Head(name, unit, help): Head<'_>,
        value: impl EncodeGaugeValue,
    ) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?
            .encode_gauge(&value)
    }

    /// A counter of each direction: from clients to backends, and from backends to clients.
    pub(super) fn both_ways(
        &mut self,
        head: Head<'_>,
        rows: &[Row],
        values: impl Fn(&Row) -> [u64; 2],
    ) -> fmt::Result {
        let samples = rows.iter().flat_map(|row| {
            let directions = ["forward", "reply"].into_iter().zip(values(row));
            directions.map(|(direction, value)| {
                ((row.labels.as_slice(), [("direction", direction)]), value)
            })
        });
        self.counters(head, samples)
    }
}
