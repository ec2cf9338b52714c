//! How are maps of what several holders share written? As if nobody shared: each value once for each map.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) fn serialize<T: Serialize, S: Serializer>(
    map: &BTreeMap<String, Arc<T>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(map.iter().map(|(name, value)| (name, value.as_ref())))
}

pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Arc<T>>, D::Error> {
    let map = BTreeMap::<String, T>::deserialize(deserializer)?;
    Ok(map.into_iter().map(|(name, value)| (name, Arc::new(value))).collect())
}
