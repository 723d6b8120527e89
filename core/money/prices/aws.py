"""What AWS charges: the table itself, and nothing else. `core/money/prices/__init__.py` says how it is read.

A row: region, item, US dollars for one (hour, month, call, …: the item's name says which), when it was read last
(as exactly as is known), and where: a key of SOURCES. Linux, on demand, without tax, free tier and discounts.
`fab prices --refresh` asks AWS and writes the rows anew. By hand: change a row with its date and its source.
Spot and reserved prices are not in it until they were asked for: spot changes by the hour, and a figure without its day
would be a guess. p5e.48xlarge has no price on demand (AWS sells it as capacity blocks alone).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SOURCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "aws-price-list": "AWS's pricing API, asked by `fab prices --refresh`",
        "aws-spot-history": "EC2's history of spot prices, the cheapest zone, asked by `fab prices --refresh`",
        "aws-whitepaper": "AWS's whitepaper How AWS Pricing Works (Lambda)",
        "cloudwatch-page-copy": "a public copy of AWS's price page (CloudWatch)",
        "console-copy": "a public copy of the prices that EC2's console shows; its day was not noted",
        "dynamodb-page-copy": "a public copy of AWS's price page (DynamoDB, on demand, standard)",
        "ebs-page-copy": "a public copy of AWS's price page (EBS); its day was not noted",
        "ec2-list-reading": "somebody's public reading of AWS's price list (EC2)",
        "ec2-page-copy": "a public copy of AWS's price page (EC2 on demand)",
        "ipv4-announcement": "AWS's announcement of the charge for public IPv4 addresses, which is the same everywhere",
        "lambda-page-copy": "a public copy of AWS's price page (Lambda, arm64)",
        "list-api-reading": "somebody's public reading of AWS's pricing API",
        "list-price-copy": "public copies of AWS's price pages that agree",
        "scheduler-page-copy": "a public copy of AWS's price page (EventBridge Scheduler); its day was not noted",
        "skypilot": "SkyPilot's catalogue (v7, commit 27f67dd4), made from AWS's price list; its day was not noted",
        "sns-page-copy": "a public copy of AWS's price page (SNS); its day was not noted",
        "sqs-page-copy": "a public copy of AWS's price page (SQS, standard); its day was not noted",
    }
)

TABLE: Final = """
ap-northeast-1 instance:g6.48xlarge           19.36206 2026       skypilot
ap-northeast-1 instance:g6.4xlarge             1.91903 2026       skypilot
ap-northeast-1 instance:g6e.12xlarge          15.21742 2026       skypilot
ap-northeast-1 instance:g6e.16xlarge          10.98917 2026       skypilot
ap-northeast-1 instance:g6e.24xlarge          21.84956 2026       skypilot
ap-northeast-1 public-ipv4-hour                  0.005 2024-02-01 ipv4-announcement
ap-northeast-2 instance:g5.xlarge                1.237 2026       skypilot
ap-northeast-2 instance:g6.48xlarge           16.41595 2026       skypilot
ap-northeast-2 instance:g6.4xlarge             1.62704 2026       skypilot
ap-northeast-2 instance:g6.xlarge               0.9896 2026       skypilot
ap-northeast-2 public-ipv4-hour                  0.005 2024-02-01 ipv4-announcement
ap-south-1     instance:g5.xlarge                1.208 2026       skypilot
ap-south-1     instance:g6.48xlarge            16.0311 2026       skypilot
ap-south-1     instance:g6.4xlarge             1.58889 2026       skypilot
ap-south-1     instance:g6.xlarge               0.9664 2026       skypilot
ap-south-1     public-ipv4-hour                  0.005 2024-02-01 ipv4-announcement
ap-southeast-2 instance:g5.xlarge                1.308 2026       skypilot
ap-southeast-2 instance:g6.48xlarge           17.35817 2026       skypilot
ap-southeast-2 instance:g6.4xlarge             1.72042 2026       skypilot
ap-southeast-2 instance:g6.xlarge               1.0464 2026       skypilot
ap-southeast-2 public-ipv4-hour                  0.005 2024-02-01 ipv4-announcement
ca-central-1   instance:g5.xlarge                1.117 2026       skypilot
ca-central-1   instance:g6.48xlarge           14.82346 2026       skypilot
ca-central-1   instance:g6.4xlarge              1.4692 2026       skypilot
ca-central-1   instance:g6.xlarge               0.8936 2026       skypilot
ca-central-1   public-ipv4-hour                  0.005 2024-02-01 ipv4-announcement
eu-central-1   gp3-gib-month                    0.0952 2026       list-price-copy
eu-central-1   instance:g5.xlarge                1.258 2026       skypilot
eu-central-1   instance:g5g.16xlarge            3.4326 2026       skypilot
eu-central-1   instance:g5g.2xlarge             0.6955 2026       skypilot
eu-central-1   instance:g5g.4xlarge             1.0358 2026       skypilot
eu-central-1   instance:g6.2xlarge             1.22249 2026       skypilot
eu-central-1   instance:g6.48xlarge           16.69464 2026       skypilot
eu-central-1   instance:g6.4xlarge             1.65466 2026       skypilot
eu-central-1   instance:g6.xlarge               1.0064 2026       skypilot
eu-central-1   instance:g6e.12xlarge          13.12002 2026       skypilot
eu-central-1   instance:g6e.16xlarge           9.47454 2026       skypilot
eu-central-1   instance:g6e.24xlarge          18.83806 2026       skypilot
eu-central-1   public-ipv4-hour                  0.005 2024-02-01 ipv4-announcement
eu-north-1     instance:g5.xlarge                1.067 2026       skypilot
eu-north-1     instance:g6.2xlarge             1.03688 2026       skypilot
eu-north-1     instance:g6.48xlarge           14.15992 2026       skypilot
eu-north-1     instance:g6.4xlarge             1.40343 2026       skypilot
eu-north-1     instance:g6.xlarge               0.8536 2026       skypilot
eu-north-1     instance:g6e.12xlarge          11.12975 2026       skypilot
eu-north-1     instance:g6e.16xlarge           8.03728 2026       skypilot
eu-north-1     instance:g6e.24xlarge          15.98037 2026       skypilot
eu-north-1     public-ipv4-hour                  0.005 2024-02-01 ipv4-announcement
eu-west-1      instance:g5.xlarge                1.123 2026       skypilot
eu-west-1      public-ipv4-hour                  0.005 2024-02-01 ipv4-announcement
eu-west-2      instance:g5.xlarge                1.277 2026       skypilot
eu-west-2      instance:g6.2xlarge             1.24095 2026       skypilot
eu-west-2      instance:g6.48xlarge           16.94678 2026       skypilot
eu-west-2      instance:g6.4xlarge             1.67965 2026       skypilot
eu-west-2      instance:g6.xlarge               1.0216 2026       skypilot
eu-west-2      public-ipv4-hour                  0.005 2024-02-01 ipv4-announcement
eu-west-3      instance:g6.2xlarge             1.24095 2026       skypilot
eu-west-3      instance:g6.48xlarge           16.94678 2026       skypilot
eu-west-3      instance:g6.4xlarge             1.67965 2026       skypilot
eu-west-3      instance:g6.xlarge               1.0216 2026       skypilot
eu-west-3      public-ipv4-hour                  0.005 2024-02-01 ipv4-announcement
us-east-1      alarm-month                         0.1 2026-09-29 cloudwatch-page-copy
us-east-1      data-out-gib                       0.09 2026       list-price-copy
us-east-1      gp3-gib-month                      0.08 2026-09-25 list-api-reading
us-east-1      gp3-iops-month                    0.005 2026       ebs-page-copy
us-east-1      gp3-mibps-month                    0.04 2026       ebs-page-copy
us-east-1      instance:g4dn.12xlarge            3.912 2026       console-copy
us-east-1      instance:g4dn.16xlarge            4.352 2026       console-copy
us-east-1      instance:g4dn.2xlarge             0.752 2026       console-copy
us-east-1      instance:g4dn.4xlarge             1.204 2026       console-copy
us-east-1      instance:g4dn.8xlarge             2.176 2026       console-copy
us-east-1      instance:g4dn.metal               7.824 2026       console-copy
us-east-1      instance:g4dn.xlarge              0.526 2026-09-01 ec2-page-copy
us-east-1      instance:g5.12xlarge              5.672 2026       console-copy
us-east-1      instance:g5.16xlarge              4.096 2026       console-copy
us-east-1      instance:g5.24xlarge              8.144 2026       console-copy
us-east-1      instance:g5.2xlarge               1.212 2026       console-copy
us-east-1      instance:g5.48xlarge             16.288 2026       console-copy
us-east-1      instance:g5.4xlarge               1.624 2026       console-copy
us-east-1      instance:g5.8xlarge               2.448 2026       console-copy
us-east-1      instance:g5.xlarge                1.006 2026-08-17 ec2-page-copy
us-east-1      instance:g5g.16xlarge             2.744 2026       skypilot
us-east-1      instance:g5g.2xlarge              0.556 2026       skypilot
us-east-1      instance:g5g.4xlarge              0.828 2026       skypilot
us-east-1      instance:g6.12xlarge             4.6016 2026       console-copy
us-east-1      instance:g6.16xlarge             3.3968 2026       console-copy
us-east-1      instance:g6.24xlarge             6.6752 2026       console-copy
us-east-1      instance:g6.2xlarge              0.9776 2026       console-copy
us-east-1      instance:g6.48xlarge            13.3504 2026       console-copy
us-east-1      instance:g6.4xlarge              1.3232 2026       console-copy
us-east-1      instance:g6.8xlarge              2.0144 2026       console-copy
us-east-1      instance:g6.xlarge               0.8048 2026-08-17 ec2-page-copy
us-east-1      instance:g6e.12xlarge          10.49264 2026       console-copy
us-east-1      instance:g6e.16xlarge           7.57719 2026       console-copy
us-east-1      instance:g6e.24xlarge          15.06559 2026       console-copy
us-east-1      instance:g6e.2xlarge            2.24208 2026       console-copy
us-east-1      instance:g6e.48xlarge          30.13118 2026-07-28 ec2-list-reading
us-east-1      instance:g6e.4xlarge            3.00424 2026       console-copy
us-east-1      instance:g6e.8xlarge            4.52856 2026       console-copy
us-east-1      instance:g6e.xlarge               1.861 2026-08-17 ec2-page-copy
us-east-1      instance:g7e.12xlarge           8.28608 2026       console-copy
us-east-1      instance:g7e.24xlarge          16.57216 2026       console-copy
us-east-1      instance:g7e.2xlarge            3.36312 2026       console-copy
us-east-1      instance:g7e.48xlarge          33.14432 2026-07-28 ec2-list-reading
us-east-1      instance:g7e.4xlarge            3.99816 2026       console-copy
us-east-1      instance:g7e.8xlarge            5.26824 2026       console-copy
us-east-1      instance:gr6.4xlarge             1.5392 2026       console-copy
us-east-1      instance:gr6.8xlarge             2.4464 2026       console-copy
us-east-1      instance:p4d.24xlarge         21.957642 2026-07-28 ec2-list-reading
us-east-1      instance:p4de.24xlarge         27.44705 2026-07-28 ec2-list-reading
us-east-1      instance:p5.48xlarge              55.04 2026-07-28 ec2-list-reading
us-east-1      instance:p5.4xlarge                6.88 2026-07-28 ec2-list-reading
us-east-1      instance:p5en.48xlarge           63.296 2026-07-28 ec2-list-reading
us-east-1      instance:t3.large                0.0832 2026-09    list-price-copy
us-east-1      instance:t3.medium               0.0416 2026-09    list-price-copy
us-east-1      instance:t3.micro                0.0104 2026-09-25 list-api-reading
us-east-1      instance:t3.small                0.0208 2026-09    list-price-copy
us-east-1      instance:t4g.medium              0.0336 2026-09    list-price-copy
us-east-1      instance:t4g.micro               0.0084 2026-09-25 list-api-reading
us-east-1      instance:t4g.small               0.0168 2026-09    list-price-copy
us-east-1      lambda-call                   0.0000002 2026-11-25 aws-whitepaper
us-east-1      lambda-gib-second          0.0000133334 2026-03    lambda-page-copy
us-east-1      public-ipv4-hour                  0.005 2026-09-25 list-api-reading
us-east-1      queue-request                 0.0000004 2026       sqs-page-copy
us-east-1      s3-get                        0.0000004 2026       list-price-copy
us-east-1      s3-gib-month                      0.023 2026       list-price-copy
us-east-1      s3-put                         0.000005 2026       list-price-copy
us-east-1      schedule-call                  0.000001 2026       scheduler-page-copy
us-east-1      snapshot-gib-month                 0.05 2026       list-price-copy
us-east-1      table-gib-month                    0.25 2026-10-04 dynamodb-page-copy
us-east-1      table-read                  0.000000125 2026-10-04 dynamodb-page-copy
us-east-1      table-write                 0.000000625 2026-10-04 dynamodb-page-copy
us-east-1      topic-request                 0.0000005 2026       sns-page-copy
us-east-2      instance:g5.xlarge                1.006 2026       skypilot
us-east-2      instance:g6.2xlarge              0.9776 2026       skypilot
us-east-2      instance:g6.48xlarge            13.3504 2026       skypilot
us-east-2      instance:g6.4xlarge              1.3232 2026       skypilot
us-east-2      instance:g6.xlarge               0.8048 2026       skypilot
us-east-2      instance:g6e.12xlarge          10.49264 2026       skypilot
us-east-2      instance:g6e.16xlarge           7.57719 2026       skypilot
us-east-2      instance:g6e.24xlarge          15.06559 2026       skypilot
us-east-2      public-ipv4-hour                  0.005 2024-02-01 ipv4-announcement
us-west-2      instance:g5.xlarge                1.006 2026       skypilot
us-west-2      instance:g5g.16xlarge             2.744 2026       skypilot
us-west-2      instance:g5g.2xlarge              0.556 2026       skypilot
us-west-2      instance:g5g.4xlarge              0.828 2026       skypilot
us-west-2      instance:g6.2xlarge              0.9776 2026       skypilot
us-west-2      instance:g6.48xlarge            13.3504 2026       skypilot
us-west-2      instance:g6.4xlarge              1.3232 2026       skypilot
us-west-2      instance:g6.xlarge               0.8048 2026       skypilot
us-west-2      instance:g6e.12xlarge          10.49264 2026       skypilot
us-west-2      instance:g6e.16xlarge           7.57719 2026       skypilot
us-west-2      public-ipv4-hour                  0.005 2024-02-01 ipv4-announcement
"""
