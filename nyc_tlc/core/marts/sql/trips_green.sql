-- What marts read of one month of green trips; the columns are the same for every service.
SELECT
  'green' AS service,
  source_month,
  pickup_datetime,
  dropoff_datetime,
  pu_location_id,
  do_location_id,
  trip_distance,
  total_amount AS charged
FROM green
WHERE source_month = :source_month
