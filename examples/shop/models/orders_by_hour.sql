-- Finished hours are in the table; the one under way is computed when it is asked for.
{{ config(materialized='incremental', schema='shop', lambda=true, cron='*/10 * * * * *',
          event_time='hour', batch_size='hour', begin='2026-01-01', partition_by=['day(hour)']) }}
SELECT date_trunc('hour', ordered_at) AS hour, item, count(*) AS orders, sum(amount)::DECIMAL(18,2) AS amount
FROM {{ source('shop', 'orders') }}
WHERE ordered_at >= '{{ start }}+00' AND ordered_at < '{{ end }}+00'
GROUP BY ALL
