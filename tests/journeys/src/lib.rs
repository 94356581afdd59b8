//! A flow's life as hops, on the host and in the kernel, against the oracle.
