use solana_program::{
    account_info::{next_account_info, AccountInfo},
    entrypoint,
    entrypoint::ProgramResult,
    program_error::ProgramError,
    program_pack::Pack,
    pubkey::Pubkey,
};

entrypoint!(process_instruction);

pub struct Market {
    pub manager: Pubkey,
}

pub struct Reserve {
    pub lending_market: Pubkey,
    pub rate: u64,
}

pub fn process_instruction(program_id: &Pubkey, accounts: &[AccountInfo], data: &[u8]) -> ProgramResult {
    let account_info_iter = &mut accounts.iter();
    let lending_market_info = next_account_info(account_info_iter)?;
    let reserve_info = next_account_info(account_info_iter)?;
    let manager_info = next_account_info(account_info_iter)?;
    if lending_market_info.owner != program_id || reserve_info.owner != program_id {
        return Err(ProgramError::IncorrectProgramId);
    }
    let market = Market::unpack(&lending_market_info.data.borrow())?;
    if market.manager != *manager_info.key || !manager_info.is_signer {
        return Err(ProgramError::MissingRequiredSignature);
    }
    let mut reserve = Reserve::unpack(&reserve_info.data.borrow())?;
    reserve.rate = u64::from(data[0]);
    Reserve::pack(reserve, &mut reserve_info.data.borrow_mut())?;
    Ok(())
}
