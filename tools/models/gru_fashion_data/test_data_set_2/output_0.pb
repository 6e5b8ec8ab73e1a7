
BoutputJ(LÅ?¯Ğ[AÑÉy¿ª©@fÕOÀæqÑ?àŞLÀü³Î¿¹B@j‚ÇÀ