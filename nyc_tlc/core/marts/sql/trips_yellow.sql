-- What marts read of one month of yellow trips; the columns are the same for every service.
SELECT
  'yellow' AS service,
  source_month,
  pickup_datetime,
  dropoff_datetime,
  pu_location_id,
  do_location_id,
  trip_distance,
  total_amount AS charged
FROM yellow
WHERE source_month = :source_month
