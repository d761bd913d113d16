"""The code lists of the TLC data dictionaries."""

from nyc_tlc.core.contract.model import CodeList

_DICTIONARIES = (
    "TLC data dictionaries of 18 March 2025 (data_dictionary_trip_records_{yellow,green}.pdf)"
)

VENDOR = CodeList(
    "vendor",
    {
        1: "Creative Mobile Technologies",
        2: "Curb Mobility (formerly VeriFone)",
        6: "Myle Technologies",
        7: "Helix",
    },
    _DICTIONARIES,
)
RATE_CODE = CodeList(
    "rate_code",
    {
        1: "Standard rate",
        2: "JFK",
        3: "Newark",
        4: "Nassau or Westchester",
        5: "Negotiated fare",
        6: "Group ride",
        99: "Null or unknown",
    },
    _DICTIONARIES,
)
PAYMENT_TYPE = CodeList(
    "payment_type",
    {
        0: "Flex Fare trip",
        1: "Credit card",
        2: "Cash",
        3: "No charge",
        4: "Dispute",
        5: "Unknown",
        6: "Voided trip",
    },
    _DICTIONARIES,
)
TRIP_TYPE = CodeList("trip_type", {1: "Street-hail", 2: "Dispatch"}, _DICTIONARIES)
SHARED_RIDE = CodeList(
    "shared_ride", {1: "Part of a shared-ride chain"}, "TLC data dictionary fhv, 18 March 2025"
)
HVFHS_LICENSE = CodeList(
    "hvfhs_license",
    {"HV0002": "Juno", "HV0003": "Uber", "HV0004": "Via", "HV0005": "Lyft"},
    "TLC data dictionary hvfhs, 18 March 2025",
)
YES_NO = CodeList(
    "yes_no",
    {"Y": "Yes", "N": "No", " ": "Not stated"},
    "TLC data dictionary hvfhs, 18 March 2025; the blank: files of 2020-04",
)
STORE_AND_FWD = CodeList(
    "store_and_fwd_flag",
    {"Y": "Held in the vehicle's memory before sending", "N": "Sent at once"},
    _DICTIONARIES,
)
