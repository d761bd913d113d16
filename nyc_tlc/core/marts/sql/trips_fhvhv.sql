-- What marts read of one month of fhvhv trips. The app companies report the parts of what the
-- passenger paid, and not their sum. Without a fare (the CSV files have none) there is no sum; any
-- other part is 0 where it is null: TLC leaves airport_fee, for one, empty in whole months.
SELECT
  'fhvhv' AS service,
  source_month,
  pickup_datetime,
  dropoff_datetime,
  pu_location_id,
  do_location_id,
  trip_distance,
  base_passenger_fare
  + COALESCE(tolls_amount, 0)
  + COALESCE(bcf, 0)
  + COALESCE(sales_tax, 0)
  + COALESCE(congestion_surcharge, 0)
  + COALESCE(airport_fee, 0)
  + COALESCE(cbd_congestion_fee, 0)
  + COALESCE(tip_amount, 0) AS charged
FROM fhvhv
WHERE source_month = :source_month
