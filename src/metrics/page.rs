//! Values that are written down as they stand, each with what its definition says.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::definitions::{Definition, Type};

/// What is written to.
pub(super) struct Page<'a, 'e>(&'a mut DescriptorEncoder<'e>);

/// The labels of a metric that has none.
const NO_LABELS: [(&str, &str); 0] = [];

impl<'a, 'e> Page<'a, 'e> {
    /// Writes to this.
    pub(super) const fn new(encoder: &'a mut DescriptorEncoder<'e>) -> Self {
        Self(encoder)
    }

    /// A gauge without labels.
    pub(super) fn gauge(&mut self, of: Definition, value: u64) -> fmt::Result {
        self.gauges(of, std::iter::once((NO_LABELS, value)))
    }

    /// A gauge.
    pub(super) fn gauges<L: EncodeLabelSet, N>(
        &mut self,
        of: Definition,
        values: impl Iterator<Item = (L, N)>,
    ) -> fmt::Result
    where
        ConstGauge<N>: EncodeMetric,
    {
        self.family(of, values.map(|(labels, value)| (labels, ConstGauge::new(value))))
    }

    /// A counter.
    pub(super) fn counters<'v, L: EncodeLabelSet + Clone + 'v, N: Copy + 'v>(
        &mut self,
        of: Definition,
        values: impl Iterator<Item = (&'v L, &'v N)>,
    ) -> fmt::Result
    where
        ConstCounter<N>: EncodeMetric,
    {
        self.family(of, values.map(|(labels, value)| (labels.clone(), ConstCounter::new(*value))))
    }

    /// A metric without values is left out, as the registry does it.
    fn family<L: EncodeLabelSet>(
        &mut self,
        of: Definition,
        values: impl Iterator<Item = (L, impl EncodeMetric)>,
    ) -> fmt::Result {
        let mut values = values.peekable();
        if values.peek().is_none() {
            return Ok(());
        }
        let kind = match of.kind {
            Type::Counter => MetricType::Counter,
            Type::Gauge => MetricType::Gauge,
            Type::Histogram => MetricType::Histogram,
            Type::Info => MetricType::Info,
        };
        let unit = of.encoded_unit();
        let help = format!("{}.", of.help);
        let mut family = self.0.encode_descriptor(of.stem(), &help, unit.as_ref(), kind)?;
        for (labels, value) in values {
            value.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
