//! Which currencies there are, and how many decimal places each has.
//!
//! Source: ISO 4217, list one (current currencies and funds), as maintained by SIX; precious metals, test codes and
//! codes for no currency (`XAU`, `XTS`, `XXX`, …) are left out, since no amount is charged in them.

/// Codes with two decimal places, sorted.
const TWO: &[&str] = &[
    "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BMD", "BND", "BOB", "BOV",
    "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHE", "CHF", "CHW", "CNY", "COP", "COU", "CRC", "CUP",
    "CVE", "CZK", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD",
    "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IRR", "JMD", "KES", "KGS", "KHR", "KPW", "KYD",
    "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR",
    "MWK", "MXN", "MXV", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "PAB", "PEN", "PGK", "PHP", "PKR",
    "PLN", "QAR", "RON", "RSD", "RUB", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP",
    "STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "USD", "USN", "UYU",
    "UZS", "VED", "VES", "WST", "XAD", "XCD", "XCG", "YER", "ZAR", "ZMW", "ZWG",
];
/// Codes without decimal places, sorted.
const NONE: &[&str] = &[
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF",
    "XPF",
];
/// Codes with three decimal places, sorted.
const THREE: &[&str] = &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];
/// Codes with four decimal places, sorted.
const FOUR: &[&str] = &["CLF", "UYW"];

/// How many decimal places the minor unit of a currency has; none when the code, in upper case, is no currency.
pub fn minor_digits(code: &str) -> Option<u32> {
    [(TWO, 2), (NONE, 0), (THREE, 3), (FOUR, 4)]
        .into_iter()
        .find(|(codes, _)| codes.binary_search(&code).is_ok())
        .map(|(_, digits)| digits)
}

/// All codes, in no particular order.
pub fn codes() -> impl Iterator<Item = &'static str> {
    [TWO, NONE, THREE, FOUR].into_iter().flatten().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_code_is_found_with_its_places() {
        assert!(codes().all(|code| minor_digits(code).is_some()), "a table is not sorted");
        assert_eq!(codes().count(), codes().collect::<std::collections::BTreeSet<_>>().len());
        let places = ["EUR", "JPY", "KWD", "CLF", "eur", "XXX", ""].map(minor_digits);
        assert_eq!(places, [Some(2), Some(0), Some(3), Some(4), None, None, None]);
    }
}
