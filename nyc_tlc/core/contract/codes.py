"""The code lists of the TLC data dictionaries."""

from nyc_tlc.core.contract.model import CodeList

_BEFORE_2011 = "spellings: yellow files of 2009 and 2010, CSV to 2014 (read November 2026)"
_DICTIONARIES = (
    "TLC data dictionaries of 18 March 2025 (data_dictionary_trip_records_{yellow,green}.pdf)"
)

VENDOR = CodeList(
    "vendor",
    {
        1: "Creative Mobile Technologies",
        2: "Curb Mobility (formerly VeriFone)",
        3: "Digital Dispatch Systems (until 2010)",
        6: "Myle Technologies",
        7: "Helix",
    },
    f"{_DICTIONARIES}; 3 and {_BEFORE_2011}",
    {"CMT": 1, "VTS": 2, "DDS": 3},
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
    f"{_DICTIONARIES}; {_BEFORE_2011}",
    {
        "Credit": 1, "CREDIT": 1, "Cre": 1, "CRD": 1,
        "Cash": 2, "CASH": 2, "Cas": 2, "CAS": 2, "CSH": 2,
        "No Charge": 3, "No": 3, "NOC": 3,
        "Dispute": 4, "Dis": 4,
        "NA": 5, "UNK": 5,
    },
)  # fmt: skip
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
    {"Y": "Held in the vehicle's memory before sending", "N": "Sent at once", " ": "Not stated"},
    f"{_DICTIONARIES}; the blank and the {_BEFORE_2011}",
    {"0": "N", "0.0": "N", "1": "Y", "1.0": "Y"},
)
