-- What marts read of one month of fhv trips. TLC publishes no amounts and no distance of them.
SELECT
  'fhv' AS service,
  source_month,
  pickup_datetime,
  dropoff_datetime,
  pu_location_id,
  do_location_id,
  CAST(NULL AS DOUBLE PRECISION) AS trip_distance,
  CAST(NULL AS DOUBLE PRECISION) AS charged
FROM fhv
WHERE source_month = :source_month
