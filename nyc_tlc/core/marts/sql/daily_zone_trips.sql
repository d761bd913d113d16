-- Trips and revenue by day, pick-up zone and service, of one month's file.
-- Each amount is rounded to cents before it is summed, exactly: the sum is the same in every
-- warehouse, and whatever the order of the rows. DECIMAL(38, 9) is what BigQuery's NUMERIC is.
SELECT
  source_month,
  service,
  CAST(pickup_datetime AS DATE) AS pickup_date,
  pu_location_id,
  COUNT(*) AS trips,
  COUNT(amount) AS priced_trips,
  SUM(amount) AS revenue
FROM (
  SELECT
    source_month,
    service,
    pickup_datetime,
    pu_location_id,
    CASE
      WHEN charged BETWEEN -1e9 AND 1e9 THEN ROUND(CAST(charged AS DECIMAL(38, 9)), 2)
    END AS amount
  FROM service_trips
) AS priced
GROUP BY
  source_month,
  service,
  CAST(pickup_datetime AS DATE),
  pu_location_id
